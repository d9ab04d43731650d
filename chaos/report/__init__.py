"""What a person sees: the only modules that print, besides ``cli``."""
