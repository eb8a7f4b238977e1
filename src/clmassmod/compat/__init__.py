"""Doors with the names and arguments of other packages, over the profiles of this one."""
