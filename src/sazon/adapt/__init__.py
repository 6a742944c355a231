"""Season open models with the organisation's own rows: transfer, fine-tuning, distillation."""
