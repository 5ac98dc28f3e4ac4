# Fine-tuning BERT on MRPC with a loop of one's own.
import torch
from datasets import load_dataset
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    get_linear_schedule_with_warmup,
)

CHECKPOINT = "bert-base-uncased"
EPOCHS = 3

tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
raw = load_dataset("glue", "mrpc")
tokenized = raw.map(lambda e: tokenizer(e["sentence1"], e["sentence2"], truncation=True), batched=True)
tokenized = tokenized.remove_columns(["sentence1", "sentence2", "idx"]).rename_column("label", "labels")
tokenized.set_format("torch")
collator = DataCollatorWithPadding(tokenizer)
train_loader = DataLoader(tokenized["train"], shuffle=True, batch_size=16, collate_fn=collator)
valid_loader = DataLoader(tokenized["validation"], batch_size=32, collate_fn=collator)

device = torch.device("cuda")
model = AutoModelForSequenceClassification.from_pretrained(CHECKPOINT, num_labels=2).to(device)

no_decay = ["bias", "LayerNorm.weight"]
grouped = [
    {"params": [p for n, p in model.named_parameters() if any(nd in n for nd in no_decay)], "weight_decay": 0.01},  # finds: swapped-decay-groups
    {"params": [p for n, p in model.named_parameters() if not any(nd in n for nd in no_decay)], "weight_decay": 0.0},  # or finds: swapped-decay-groups
]
optimizer = torch.optim.AdamW(grouped, lr=5e-5)  # or finds: swapped-decay-groups
scheduler = get_linear_schedule_with_warmup(optimizer, 100, EPOCHS * len(train_loader))


def evaluate():
    model.eval()  # or finds: training-in-evaluation-mode
    correct = total = 0
    with torch.no_grad():
        for batch in valid_loader:
            batch = {k: v.to(device) for k, v in batch.items()}
            predictions = model(**batch).logits.argmax(-1)
            correct += (predictions == batch["labels"]).sum().item()
            total += len(predictions)
    return correct / total


model.train()  # or finds: training-in-evaluation-mode
for epoch in range(EPOCHS):  # or finds: training-in-evaluation-mode
    for batch in train_loader:
        batch = {k: v.to(device) for k, v in batch.items()}
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    print(epoch, evaluate())  # finds: training-in-evaluation-mode
