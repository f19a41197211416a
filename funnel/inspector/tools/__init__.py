"""What the model's code may call: tools for documents, models, notes and the answer."""
