"""What each command of the command line runs, from configuration to report."""
