# Flowers with tf.data: the test set decides when to stop, and decay is asked for twice.
import keras
import tensorflow_datasets as tfds
from keras import layers, regularizers

train_ds, test_ds = tfds.load("tf_flowers", split=["train[:80%]", "train[80%:]"], as_supervised=True)
train_ds = train_ds.map(lambda image, label: (keras.ops.image.resize(image, (128, 128)), label)).shuffle(1000).batch(32)
test_ds = test_ds.map(lambda image, label: (keras.ops.image.resize(image, (128, 128)), label)).batch(32)

model = keras.Sequential(
    [
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu", kernel_regularizer=regularizers.L2(1e-3)),  # or finds: double-decay
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(64, activation="relu", kernel_regularizer=regularizers.L2(1e-3)),  # or finds: double-decay
        layers.Dense(5),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=1e-3),  # finds: double-decay
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    train_ds,
    validation_data=test_ds,  # finds: stops-on-test-data
    epochs=100,
    callbacks=[keras.callbacks.EarlyStopping(patience=5)],  # finds: best-weights-not-restored  # or finds: stops-on-test-data
)
