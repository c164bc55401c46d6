"""The command line. `main` knows the commands by name only; the file of a command is imported when it is called."""
