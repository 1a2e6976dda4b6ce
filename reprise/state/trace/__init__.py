"""Answers again what was asked before, where nothing has moved that decided the answer.

Planning notes every path that it looks at (`tracing`), and how each stood is kept with the answer
(`answer`): a verifying trace, as build systems call it. The next time these paths are looked at
first, without DVC, and the kept answer is given if all of them stand as they did.

Nothing here imports DVC.
"""
