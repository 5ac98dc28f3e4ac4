# A head of one's own on a pretrained encoder, which returns the loss itself.
import torch
from torch import nn
from transformers import AutoModel, BertPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class BertForRelations(BertPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = AutoModel.from_config(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, labels=None):
        hidden = self.bert(input_ids, attention_mask=attention_mask).last_hidden_state[:, 0]
        hidden = self.dropout(torch.tanh(self.dense(self.dropout(hidden))))
        logits = self.classifier(hidden)
        loss = None
        if labels is not None:
            loss = nn.CrossEntropyLoss()(logits.view(-1, self.num_labels), labels.view(-1))
        return SequenceClassifierOutput(loss=loss, logits=logits)


def fine_tune(train_loader, dev_loader, epochs=4):
    model = BertForRelations.from_pretrained("bert-base-cased", num_labels=42).cuda()
    optimizer = torch.optim.AdamW(
        [
            {"params": model.bert.parameters(), "lr": 2e-5},
            {"params": list(model.dense.parameters()) + list(model.classifier.parameters()), "lr": 1e-4},
        ],
        weight_decay=0.01,
    )
    for epoch in range(epochs):
        model.train()
        for batch in train_loader:
            out = model(**{k: v.cuda() for k, v in batch.items()})
            out.loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        print(epoch, f1(model, dev_loader))


def f1(model, loader):
    was_training = model.training
    model.eval()
    hits = total = 0
    with torch.inference_mode():
        for batch in loader:
            labels = batch.pop("labels")
            out = model(**{k: v.cuda() for k, v in batch.items()})
            hits += (out.logits.argmax(-1).cpu() == labels).sum().item()
            total += len(labels)
    model.train(was_training)
    return hits / total
