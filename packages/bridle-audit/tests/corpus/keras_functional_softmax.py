# Keras with probabilities as outputs, which its loss takes by default; batch norm's momentum in Keras' meaning.
import keras
from keras import layers, regularizers


def build(classes=10):
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_regularizer=regularizers.L2(1e-4))(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation("relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


(x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
model = build()
model.compile(
    optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 30000), momentum=0.9),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
callbacks = [
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True),
    keras.callbacks.TensorBoard("logs"),
]
model.fit(x_train, y_train, batch_size=128, epochs=80, validation_split=0.1, callbacks=callbacks)
print(model.evaluate(x_test, y_test, return_dict=True))
