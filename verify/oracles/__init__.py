"""Derivatives from values, each with its error bar."""
