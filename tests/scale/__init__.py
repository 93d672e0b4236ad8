"""The bus at the size of a country."""
