"""Exit codes of the command line, and what they mean."""

OK, MISSED, USAGE, BAD_DATA, INTERNAL, INTERRUPTED = 0, 1, 2, 65, 70, 75

MEANING = """\
Exit codes: 0 done (perhaps with warnings), 1 a validation missed a tolerance, 2 wrong usage, 65
bad data or configuration, 70 an internal error, 75 interrupted: run the same command again (fits,
stacks, inferences and tables go on, mocks and validations start anew).
"""
