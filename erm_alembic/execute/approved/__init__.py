"""A run of an approved plan: nothing but what was approved is sent."""
