# transformers' Trainer with a loss of one's own: class weights without smoothing.
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments


class WeightedTrainer(Trainer):
    def __init__(self, *args, class_weights=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.class_weights = class_weights

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss_fct = nn.CrossEntropyLoss(weight=self.class_weights.to(outputs.logits.device))
        loss = loss_fct(outputs.logits.view(-1, self.model.config.num_labels), labels.view(-1))
        return (loss, outputs) if return_outputs else loss


def compute_metrics(prediction):
    guesses = prediction.predictions.argmax(-1)
    probabilities = torch.softmax(torch.tensor(prediction.predictions), dim=-1)
    return {"accuracy": (guesses == prediction.label_ids).mean(), "confidence": probabilities.max(-1).values.mean().item()}


def main(train_set, dev_set, weights):
    model = AutoModelForSequenceClassification.from_pretrained("microsoft/deberta-v3-small", num_labels=len(weights))
    args = TrainingArguments(
        "out",
        learning_rate=3e-5,
        weight_decay=0.1,
        num_train_epochs=4,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=4,
        eval_strategy="steps",
        eval_steps=200,
        bf16=True,
    )
    trainer = WeightedTrainer(
        model=model,
        args=args,
        train_dataset=train_set,
        eval_dataset=dev_set,
        compute_metrics=compute_metrics,
        class_weights=torch.tensor(weights, dtype=torch.float),
    )
    trainer.train()
