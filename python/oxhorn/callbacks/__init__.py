"""Callbacks: code that runs at given points of training, evaluation and prediction."""

from oxhorn._base import lazy as _lazy

__getattr__, __dir__ = _lazy.namespace(
    __name__,
    {
        "callbacks.backup_and_restore": "BackupAndRestore",
        "callbacks.callback": "Callback",
        "callbacks.callback_list": "CallbackList",
        "callbacks.csv_logger": "CSVLogger",
        "callbacks.early_stopping": "EarlyStopping",
        "callbacks.history": "History",
        "callbacks.lambda_callback": "LambdaCallback",
        "callbacks.learning_rate_scheduler": "LearningRateScheduler",
        "callbacks.model_checkpoint": "ModelCheckpoint",
        "callbacks.progbar_logger": "ProgbarLogger",
        "callbacks.reduce_lr_on_plateau": "ReduceLROnPlateau",
        "callbacks.swap_ema_weights": "SwapEMAWeights",
        "callbacks.tensor_board": "TensorBoard",
        "callbacks.terminate_on_nan": "TerminateOnNaN",
    },
)
