"""The folder connector: letters come from folders of the office and news goes to them."""
