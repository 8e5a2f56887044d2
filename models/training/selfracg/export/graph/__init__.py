"""Builds the ONNX graph: one decoder with KV cache, logits at asked positions and the L-LoRA expression.

The graph is written node by node with onnx.helper, with the operators that ONNX Runtime's own generative models use
(GroupQueryAttention with the rotary embedding inside, simplified layer normalisation fused with the residual sum).

Inputs   input_ids int64 [batch, seq] (right-padded); lengths int64 [batch]; logit_positions int64 [batch, n];
         adapter int64 [1] (-1 none, 0 query, 1 fragment); past_length int64 [1]; past.{l}.key and past.{l}.value float
         [batch, kv_heads, capacity, head_dim]; past.need float [layers, batch, capacity, 2 * rank]. The past buffers hold
         past_length rows at their beginning; the rows after them must be finite and are ignored. Their capacity is
         past_length, or at least past_length + seq (the attention operator takes nothing in between).
Outputs  logits float [batch, n, vocabulary]; expression float [batch, hidden];
         attention float [layers * batch, past_length + seq], the weights of the expression's own attention at the last token,
         mean over its heads (empty where nothing is expressed); new.key and new.value float
         [layers * batch, kv_heads, seq, head_dim]; new.need float [layers, batch * seq, 2 * rank].

Only the rows of the new tokens are returned; the caller owns the buffers and appends the rows to the past.
A batch larger than one needs past_length = 0, and with a past every length equals seq. A token's result depends on its own
row alone, not on the rows that share its run.

Weights are stored as float32, as float16 that computes in float32, or as int8 (one scale an output channel; one step a
layer for activations, or one a row with "int8-dynamic", where the largest inputs of `down` are not rounded). "half" is float16 that computes as such, for GPUs.
"""

from selfracg.export.graph.attention import FEW as FEW
from selfracg.export.graph.attention import sum_block as sum_block
from selfracg.export.graph.build import IR_VERSION as IR_VERSION
from selfracg.export.graph.build import OPSET as OPSET
from selfracg.export.graph.build import build_graph as build_graph
from selfracg.export.graph.build import without_training as without_training
from selfracg.export.graph.builder import Builder as Builder
from selfracg.export.graph.builder import Origin as Origin
from selfracg.export.graph.codes import ROW_STEPS as ROW_STEPS
from selfracg.export.graph.codes import ROW_ZERO as ROW_ZERO
from selfracg.export.graph.codes import WEIGHT_STEPS as WEIGHT_STEPS
from selfracg.export.graph.codes import int8_codes as int8_codes
from selfracg.export.graph.config import EMBEDDING as EMBEDDING
from selfracg.export.graph.config import HEAD as HEAD
from selfracg.export.graph.config import WEIGHTS as WEIGHTS
from selfracg.export.graph.config import Adapter as Adapter
from selfracg.export.graph.config import GraphConfig as GraphConfig
from selfracg.export.graph.config import rotary_caches as rotary_caches
from selfracg.export.graph.decoder import gated_outliers as gated_outliers
from selfracg.export.graph.decoder import rotary_initialisers as rotary_initialisers
from selfracg.export.graph.nodes import CONTRIB as CONTRIB
