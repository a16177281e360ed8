"""Callbacks: code that runs at given points of training, evaluation and prediction."""

from oxhorn.callbacks.backup_and_restore import BackupAndRestore
from oxhorn.callbacks.callback import Callback
from oxhorn.callbacks.callback_list import CallbackList
from oxhorn.callbacks.csv_logger import CSVLogger
from oxhorn.callbacks.early_stopping import EarlyStopping
from oxhorn.callbacks.history import History
from oxhorn.callbacks.lambda_callback import LambdaCallback
from oxhorn.callbacks.learning_rate_scheduler import LearningRateScheduler
from oxhorn.callbacks.model_checkpoint import ModelCheckpoint
from oxhorn.callbacks.progbar_logger import ProgbarLogger
from oxhorn.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from oxhorn.callbacks.swap_ema_weights import SwapEMAWeights
from oxhorn.callbacks.tensor_board import TensorBoard
from oxhorn.callbacks.terminate_on_nan import TerminateOnNaN
