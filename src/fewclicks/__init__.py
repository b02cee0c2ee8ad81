"""fewclicks: click on an object, get its mask."""
