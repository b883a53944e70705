"""How much rounding costs here."""
