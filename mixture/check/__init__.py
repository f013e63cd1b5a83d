"""How far to trust a fit, and what it says beside others."""
