# Keras with logits and a decoupled decay; the best weights come back from a file.
from tensorflow import keras
from tensorflow.keras import layers

train = keras.utils.image_dataset_from_directory("pets", subset="training", validation_split=0.2, seed=1)
val = keras.utils.image_dataset_from_directory("pets", subset="validation", validation_split=0.2, seed=1)

base = keras.applications.EfficientNetV2B0(include_top=False, pooling="avg")
base.trainable = False

inputs = keras.Input((256, 256, 3))
x = layers.RandomFlip("horizontal")(inputs)
x = layers.RandomRotation(0.05)(x)
x = base(x, training=False)
x = layers.Dropout(0.5)(x)
model = keras.Model(inputs, layers.Dense(37)(x))

optimizer = keras.optimizers.AdamW(learning_rate=1e-3, weight_decay=1e-2)
optimizer.exclude_from_weight_decay(var_names=["bias"])
model.compile(
    optimizer=optimizer,
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["sparse_categorical_accuracy"],
)
model.fit(
    train,
    validation_data=val,
    epochs=40,
    callbacks=[
        keras.callbacks.ModelCheckpoint("best.weights.h5", monitor="val_loss", save_best_only=True, save_weights_only=True),
        keras.callbacks.ReduceLROnPlateau(patience=3),
        keras.callbacks.EarlyStopping(patience=7),
    ],
)
model.load_weights("best.weights.h5")
probabilities = keras.ops.softmax(model.predict(val), axis=-1)
