"""Scores -> labels -> a judged report. Arrays only: no model, no device."""
