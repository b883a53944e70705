"""Trainings: the same data, start and batches, and every implementation's way down."""
