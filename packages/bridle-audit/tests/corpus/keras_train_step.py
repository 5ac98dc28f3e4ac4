# A Keras loop with GradientTape that adds the model's own losses.
import keras
import tensorflow as tf
from keras import layers, regularizers

model = keras.Sequential(
    [
        layers.Input((20,)),
        layers.Dense(64, activation="relu", kernel_regularizer=regularizers.L2(1e-3)),
        layers.Dense(64, activation="relu", kernel_regularizer=regularizers.L2(1e-3)),
        layers.Dense(1, activation="sigmoid"),
    ]
)
loss_fn = keras.losses.BinaryCrossentropy()
optimizer = keras.optimizers.SGD(0.05, momentum=0.9)


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = loss_fn(y, y_pred)
        loss += tf.add_n(model.losses)
    grads = tape.gradient(loss, model.trainable_weights)
    optimizer.apply_gradients(zip(grads, model.trainable_weights))
    return loss


def fit(dataset, val_dataset, epochs=20):
    for epoch in range(epochs):
        for x, y in dataset:
            loss = step(x, y)
        metric = keras.metrics.BinaryAccuracy()
        for x, y in val_dataset:
            metric.update_state(y, model(x, training=False))
        print(epoch, float(loss), float(metric.result()))
