"""Hold the commands of `reprise`: a file each, with its options and its work.

A command is a module with two functions: `add_parser` adds its options to the command line,
`execute` does its work and returns the exit status. `reprise.cli` lists the modules. One may have
`execute_idle` too, which is asked first: it does the work without DVC where nothing has moved, and
returns None where it can't tell.
"""
