"""The posterior: the model, and the samplers that draw from it."""
