"""Hold the commands of `reprise`: a file each, with its options and its work.

A command is a module with two functions: `add_parser` adds its options to the command line,
`execute` does its work and returns the exit status. `reprise.cli` lists the modules.
"""
