"""One module per chapter, named as the room it reports on."""
