"""A backup of the bus's centre in one folder, taken while routers and depot go on, and brought back from it.

The ledger is copied first and the depot's files after it: a file is in the depot before a letter that names it is
accepted, and stays as long as a letter in the ledger names it. So every file that the copied ledger names is still
there when the files are copied. The other way round, a letter accepted in between would name a file that the backup
lacks. The depot's books come last, so that each file which they do not know of is one that nobody has shown yet.
The manifest is written at the very end: a folder without one is no backup.

Bringing back goes the other way round: files, then the depot's books, and the ledger at last, each put into its place
by one rename or one transaction. While there is no ledger, nothing runs, and the same command may be given again.
"""
