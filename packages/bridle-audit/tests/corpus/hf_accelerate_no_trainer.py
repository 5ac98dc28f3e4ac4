# A custom loop in the style of transformers' run_glue_no_trainer.py.
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, default_data_collator, get_scheduler


def main(train_dataset, eval_dataset, metric, lr=2e-5, weight_decay=0.01, epochs=3, accumulation=2):
    accelerator = Accelerator(gradient_accumulation_steps=accumulation)
    model = AutoModelForSequenceClassification.from_pretrained("roberta-base", num_labels=3)
    train_loader = DataLoader(train_dataset, shuffle=True, collate_fn=default_data_collator, batch_size=16)
    eval_loader = DataLoader(eval_dataset, collate_fn=default_data_collator, batch_size=16)

    no_decay = ["bias", "LayerNorm.weight"]
    grouped_parameters = [
        {
            "params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)],
            "weight_decay": weight_decay,
        },
        {
            "params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)],
            "weight_decay": 0.0,
        },
    ]
    optimizer = torch.optim.AdamW(grouped_parameters, lr=lr)
    scheduler = get_scheduler("linear", optimizer, num_warmup_steps=500, num_training_steps=epochs * len(train_loader))
    model, optimizer, train_loader, eval_loader, scheduler = accelerator.prepare(
        model, optimizer, train_loader, eval_loader, scheduler
    )

    for epoch in range(epochs):
        model.train()
        for batch in train_loader:
            with accelerator.accumulate(model):
                outputs = model(**batch)
                accelerator.backward(outputs.loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
        model.eval()
        for batch in eval_loader:
            with torch.no_grad():
                outputs = model(**batch)
            predictions = outputs.logits.argmax(dim=-1)
            predictions, references = accelerator.gather_for_metrics((predictions, batch["labels"]))
            metric.add_batch(predictions=predictions, references=references)
        accelerator.print(epoch, metric.compute())
        accelerator.save_state(f"epoch_{epoch}")
