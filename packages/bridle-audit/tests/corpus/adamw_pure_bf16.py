# Fine-tuning a language model whose weights are bfloat16 themselves.
import torch
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, get_cosine_schedule_with_warmup


def main(dataset, name="HuggingFaceTB/SmolLM-135M", steps=2000):
    model = AutoModelForCausalLM.from_pretrained(name)
    model = model.to("cuda", dtype=torch.bfloat16)
    loader = DataLoader(dataset, batch_size=8, shuffle=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1)  # finds: decay-below-resolution
    schedule = get_cosine_schedule_with_warmup(optimizer, 100, steps)
    model.train()
    done = 0
    while done < steps:
        for batch in loader:
            batch = {key: value.to("cuda") for key, value in batch.items()}
            out = model(input_ids=batch["input_ids"], labels=batch["input_ids"])
            out.loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            done += 1
            if done % 50 == 0:
                print(done, out.loss.item())
    model.save_pretrained("out")
