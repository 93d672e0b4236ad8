"""What travels: letters and notices, their XML, their schemas and their signatures."""
