"""saraban-verify: judges an evidence pack of Saraban Bus, offline, trusting nothing but the log's public key.

This folder imports nothing else of the project. Copied anywhere, it runs with Python 3.11 and the packages
cryptography, lxml and signxml: `python verifier pack.asice --log-key KEY`.
"""
