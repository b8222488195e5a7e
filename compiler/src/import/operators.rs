//! What happens to each operator of ONNX. The table is the only list: import asks it, `docs/` prints it.

use super::{Importer, refuse};
use crate::{error::CompileError, onnx::Node};

/// What the compiler does with an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Computed when compiling: it moves, names or makes constants, or shapes.
    Folded,
    /// Becomes part of a sparse matrix.
    Linear,
    /// Computed exactly by products of ciphertexts.
    Exact,
    /// Replaced by a polynomial that is fitted to its calibrated range.
    Fitted,
    /// At the end of a model, computed by the client after decryption.
    Client,
    /// Refused, with the reason and a substitute.
    Refused(&'static str, &'static str),
}

use Support::{Client, Exact, Fitted, Folded, Linear, Refused};

const COMPARES: Support =
    Refused("a comparison cannot be computed on ciphertexts", "leave decisions to the client");
const MAXIMUM: Support =
    Refused("a maximum cannot be computed on ciphertexts", "use AveragePool, or a convolution with stride");
const CONTROL: Support =
    Refused("control flow cannot depend on encrypted data", "export the model traced, with loops unrolled");
const RECURRENT: Support = Refused(
    "recurrent networks are deeper than ciphertexts allow",
    "use a 1-D convolution over the sequence",
);
const STATISTICS: Support = Refused(
    "it divides by statistics of encrypted data",
    "use BatchNormalization, whose statistics are known",
);
const QUANTIZED: Support =
    Refused("quantised integers are not supported", "export the model in floating point");
const RANDOM: Support =
    Refused("randomness has no place in inference", "export the model in evaluation mode");
const POSITIONS: Support =
    Refused("positions cannot depend on encrypted data", "use Gather or Slice with constant indices");
const SEQUENCES: Support = Refused("sequences and optionals are not supported", "use plain tensors");
const TEXT: Support = Refused("text is not supported", "turn text into numbers before encryption");
const ROUNDS: Support = Refused("rounding has no good polynomial", "leave it to the client");
const DISCONTINUOUS: Support = Refused("it jumps, so no polynomial is near it", "use Relu, Sigmoid or Tanh");
const BITS: Support = Refused("bits of encrypted numbers are out of reach", "use arithmetic");
const SINGULAR: Support =
    Refused("it is unbounded near a point of its range", "rewrite the model with products and constants");
const WAVES: Support = Refused("this function is not supported yet", "use Tanh, Sigmoid or a polynomial");
const SIGNAL: Support =
    Refused("signal transforms are not supported yet", "write it as a MatMul with constants");
const ENCRYPTED_PRODUCTS: Support =
    Refused("products of two encrypted matrices are not supported", "use dense or convolutional layers");
const IMAGES: Support = Refused("it is not supported yet", "resize images before encryption");
const TRAINING: Support = Refused("it belongs to training", "export the model in evaluation mode");
const TREES: Support =
    Refused("decisions cannot be computed on ciphertexts", "use a linear model or a small network");
const KERNELS: Support =
    Refused("kernel machines are not supported yet", "use a linear model or a small network");
const FEATURES: Support = Refused("it is not supported", "prepare features before encryption");

/// Every operator of the domains `ai.onnx` and `ai.onnx.ml`, in alphabetical order.
pub const OPERATORS: &[(&str, Support)] = &[
    ("Abs", Fitted),
    ("Acos", WAVES),
    ("Acosh", WAVES),
    ("Add", Linear),
    ("AffineGrid", IMAGES),
    ("And", BITS),
    ("ArgMax", Client),
    ("ArgMin", Client),
    ("ArrayFeatureExtractor", Client),
    ("Asin", WAVES),
    ("Asinh", WAVES),
    ("Atan", WAVES),
    ("Atanh", WAVES),
    ("Attention", ENCRYPTED_PRODUCTS),
    ("AveragePool", Linear),
    ("BatchNormalization", Linear),
    ("Bernoulli", RANDOM),
    ("Binarizer", COMPARES),
    ("BitCast", BITS),
    ("BitShift", BITS),
    ("BitwiseAnd", BITS),
    ("BitwiseNot", BITS),
    ("BitwiseOr", BITS),
    ("BitwiseXor", BITS),
    ("BlackmanWindow", SIGNAL),
    ("Cast", Folded),
    ("CastLike", FEATURES),
    ("CastMap", FEATURES),
    ("CategoryMapper", FEATURES),
    ("CausalConvWithState", RECURRENT),
    ("Ceil", ROUNDS),
    ("Celu", WAVES),
    ("CenterCropPad", IMAGES),
    ("Clip", Fitted),
    ("Col2Im", IMAGES),
    ("Compress", POSITIONS),
    ("Concat", Linear),
    ("ConcatFromSequence", SEQUENCES),
    ("Constant", Folded),
    ("ConstantOfShape", Folded),
    ("Conv", Linear),
    ("ConvInteger", QUANTIZED),
    ("ConvTranspose", Linear),
    ("Cos", WAVES),
    ("Cosh", WAVES),
    ("CumProd", Refused("products along an axis are too deep", "use Mul for the few that are needed")),
    ("CumSum", SIGNAL),
    ("DFT", SIGNAL),
    ("DeformConv", POSITIONS),
    ("DepthToSpace", IMAGES),
    ("DequantizeLinear", QUANTIZED),
    ("Det", SINGULAR),
    ("DictVectorizer", FEATURES),
    ("Div", Linear),
    ("Dropout", Folded),
    ("DynamicQuantizeLinear", QUANTIZED),
    ("Einsum", ENCRYPTED_PRODUCTS),
    ("Elu", Fitted),
    ("Equal", COMPARES),
    ("Erf", Fitted),
    ("Exp", Fitted),
    ("Expand", Linear),
    ("EyeLike", FEATURES),
    ("FeatureVectorizer", FEATURES),
    ("Flatten", Folded),
    ("Floor", ROUNDS),
    ("GRU", RECURRENT),
    ("Gather", Linear),
    ("GatherElements", POSITIONS),
    ("GatherND", POSITIONS),
    ("Gelu", Fitted),
    ("Gemm", Linear),
    ("GlobalAveragePool", Linear),
    ("GlobalLpPool", SINGULAR),
    ("GlobalMaxPool", MAXIMUM),
    ("Gradient", TRAINING),
    ("Greater", COMPARES),
    ("GreaterOrEqual", COMPARES),
    ("GridSample", POSITIONS),
    ("GroupNormalization", STATISTICS),
    ("HammingWindow", SIGNAL),
    ("HannWindow", SIGNAL),
    ("HardSigmoid", Fitted),
    ("HardSwish", Fitted),
    ("Hardmax", MAXIMUM),
    ("Identity", Folded),
    ("If", CONTROL),
    ("ImageDecoder", IMAGES),
    ("Imputer", COMPARES),
    ("InstanceNormalization", STATISTICS),
    ("IsInf", COMPARES),
    ("IsNaN", COMPARES),
    ("LRN", STATISTICS),
    ("LSTM", RECURRENT),
    ("LabelEncoder", FEATURES),
    ("LayerNormalization", STATISTICS),
    ("LeakyRelu", Fitted),
    ("Less", COMPARES),
    ("LessOrEqual", COMPARES),
    ("LinearAttention", ENCRYPTED_PRODUCTS),
    ("LinearClassifier", Linear),
    ("LinearRegressor", Linear),
    ("Log", SINGULAR),
    ("LogSoftmax", Refused("it is not applied by clients yet", "end the model with Softmax")),
    ("Loop", CONTROL),
    ("LpNormalization", Client),
    ("LpPool", SINGULAR),
    ("MatMul", Linear),
    ("MatMulInteger", QUANTIZED),
    ("Max", MAXIMUM),
    ("MaxPool", MAXIMUM),
    ("MaxRoiPool", MAXIMUM),
    ("MaxUnpool", MAXIMUM),
    ("Mean", Refused("it is not supported", "use Add and Mul")),
    ("MeanVarianceNormalization", STATISTICS),
    ("MelWeightMatrix", SIGNAL),
    ("Min", MAXIMUM),
    ("Mish", Fitted),
    ("Mod", ROUNDS),
    ("Momentum", TRAINING),
    ("Mul", Exact),
    ("Multinomial", RANDOM),
    ("Neg", Linear),
    ("NegativeLogLikelihoodLoss", TRAINING),
    ("NonMaxSuppression", COMPARES),
    ("NonZero", POSITIONS),
    ("Normalizer", Client),
    ("Not", BITS),
    ("OneHot", POSITIONS),
    ("OneHotEncoder", FEATURES),
    ("Optional", SEQUENCES),
    ("OptionalGetElement", SEQUENCES),
    ("OptionalHasElement", SEQUENCES),
    ("Or", BITS),
    ("PRelu", Fitted),
    ("Pad", Linear),
    ("Pow", Exact),
    ("QLinearConv", QUANTIZED),
    ("QLinearMatMul", QUANTIZED),
    ("QuantizeLinear", QUANTIZED),
    ("RMSNormalization", STATISTICS),
    ("RNN", RECURRENT),
    ("RandomNormal", RANDOM),
    ("RandomNormalLike", RANDOM),
    ("RandomUniform", RANDOM),
    ("RandomUniformLike", RANDOM),
    ("Range", FEATURES),
    ("Reciprocal", SINGULAR),
    ("ReduceL1", SINGULAR),
    ("ReduceL2", SINGULAR),
    ("ReduceLogSum", SINGULAR),
    ("ReduceLogSumExp", SINGULAR),
    ("ReduceMax", MAXIMUM),
    ("ReduceMean", Linear),
    ("ReduceMin", MAXIMUM),
    ("ReduceProd", Refused("it is too deep", "use Mul")),
    ("ReduceSum", Linear),
    ("ReduceSumSquare", Refused("it is not supported", "use Mul and ReduceSum")),
    ("RegexFullMatch", TEXT),
    ("Relu", Fitted),
    ("Reshape", Folded),
    ("Resize", IMAGES),
    ("ReverseSequence", POSITIONS),
    ("RoiAlign", POSITIONS),
    ("RotaryEmbedding", ENCRYPTED_PRODUCTS),
    ("Round", ROUNDS),
    ("STFT", SIGNAL),
    ("SVMClassifier", KERNELS),
    ("SVMRegressor", KERNELS),
    ("Scaler", Linear),
    ("Scan", CONTROL),
    ("Scatter", POSITIONS),
    ("ScatterElements", POSITIONS),
    ("ScatterND", POSITIONS),
    ("Selu", Fitted),
    ("SequenceAt", SEQUENCES),
    ("SequenceConstruct", SEQUENCES),
    ("SequenceEmpty", SEQUENCES),
    ("SequenceErase", SEQUENCES),
    ("SequenceInsert", SEQUENCES),
    ("SequenceLength", SEQUENCES),
    ("SequenceMap", SEQUENCES),
    ("Shape", Folded),
    ("Shrink", DISCONTINUOUS),
    ("Sigmoid", Fitted),
    ("Sign", DISCONTINUOUS),
    ("Silu", Fitted),
    ("Sin", WAVES),
    ("Sinh", WAVES),
    ("Size", Folded),
    ("Slice", Linear),
    ("Softmax", Client),
    ("SoftmaxCrossEntropyLoss", TRAINING),
    ("Softplus", Fitted),
    ("Softsign", Fitted),
    ("SpaceToDepth", IMAGES),
    ("Split", Linear),
    ("SplitToSequence", SEQUENCES),
    ("Sqrt", Fitted),
    ("Squeeze", Folded),
    ("StringConcat", TEXT),
    ("StringNormalizer", TEXT),
    ("StringSplit", TEXT),
    ("Sub", Linear),
    ("Sum", Linear),
    ("SwiGLU", Refused("it is not supported yet", "write it as Split, Sigmoid and Mul")),
    ("Swish", Fitted),
    ("Tan", WAVES),
    ("Tanh", Fitted),
    ("TensorScatter", POSITIONS),
    ("TfIdfVectorizer", TEXT),
    ("ThresholdedRelu", DISCONTINUOUS),
    ("Tile", Refused("it is not supported", "use Expand or Concat")),
    ("TopK", COMPARES),
    ("Transpose", Linear),
    ("TreeEnsemble", TREES),
    ("TreeEnsembleClassifier", TREES),
    ("TreeEnsembleRegressor", TREES),
    ("Trilu", FEATURES),
    ("Unique", COMPARES),
    ("Unsqueeze", Folded),
    ("Upsample", IMAGES),
    ("Where", COMPARES),
    ("Xor", BITS),
    ("ZipMap", Client),
];

/// The table as Markdown: what `docs/operators.md` holds.
#[must_use]
pub fn operator_table() -> String {
    let mut text = String::from(
        "# Operators\n\n\
         What the compiler does with each operator of ONNX, of the domains `ai.onnx` and `ai.onnx.ml`. Written by \
         `model-compiler operators`; do not edit.\n\n\
         - **folded**: computed when compiling. It names, shapes or makes constants.\n\
         - **linear**: becomes part of a sparse matrix; chains of such operators become one. Products and \
         quotients are linear with a constant.\n\
         - **exact**: products of values that depend on the input, and powers; one level for each doubling.\n\
         - **fitted**: a polynomial on the range that calibration samples show. The report says range, degree \
         and error.\n\
         - **client**: at the end of a model, computed by the client after decryption.\n\
         - **refused**: with the reason and what to do instead.\n\n\
         Comparisons, Where, Min, Max, Floor, Ceil and Range of constants are computed when compiling. What the client \
         computes must take the whole output of one sample: one vector, whatever axes of extent 1 it has besides.\n\n\
         | Operator | What happens | Why not, and what to do |\n|---|---|---|\n",
    );
    for (name, support) in OPERATORS {
        let (what, more) = match support {
            Folded => ("folded", String::new()),
            Linear => ("linear", String::new()),
            Exact => ("exact", String::new()),
            Fitted => ("fitted", String::new()),
            Client => ("client", String::new()),
            Refused(reason, advice) => ("refused", format!("{reason}; {advice}")),
        };
        text += &format!("| {name} | {what} | {more} |\n");
    }
    text
}

impl Importer<'_> {
    pub(super) fn node(&mut self, node: &Node) -> Result<(), CompileError> {
        let operator = node.op_type.as_str();
        let known = matches!(node.domain.as_str(), "" | "ai.onnx" | "ai.onnx.ml");
        if known && self.fold(node)? {
            return Ok(());
        }
        let entry = OPERATORS.iter().find(|(name, _)| known && *name == operator);
        match entry.map(|(_, support)| *support) {
            None => {
                let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
                return Err(refuse(
                    node,
                    format!("operator {operator} of {domain} is not known"),
                    "docs/operators.md lists what is supported",
                ));
            }
            Some(Refused(reason, advice)) => return Err(refuse(node, reason, advice)),
            Some(Folded | Linear | Exact | Fitted | Client) => {}
        }
        match operator {
            "Constant" => self.constant_node(node),
            "ConstantOfShape" => self.constant_of_shape(node),
            "Shape" => self.shape_of(node),
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node),
            "Identity" | "Dropout" => self.identity(node),
            "Cast" => self.cast(node),
            "Transpose" => self.transpose(node),
            "Expand" => self.expand(node),
            "Slice" => self.slice(node),
            "Gather" => self.gather(node),
            "Pad" => self.pad(node),
            "Split" => self.split(node),
            "Concat" => self.concat(node),
            "Gemm" => self.gemm(node),
            "MatMul" => self.mat_mul(node),
            "Conv" => self.conv(node),
            "ConvTranspose" => self.conv_transpose(node),
            "AveragePool" => self.average_pool(node),
            "GlobalAveragePool" | "ReduceMean" | "ReduceSum" => self.reduce(node),
            "BatchNormalization" => self.batch_normalization(node),
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node),
            "Sum" => self.sum(node),
            "Neg" => self.negate(node),
            "Pow" => self.power(node),
            "PRelu" => self.prelu(node),
            "Sigmoid" if self.is_final(node) => {
                self.leave_to_client(node, ckks_client::Postprocessing::Sigmoid)
            }
            "Softmax" => self.softmax(node),
            "ArgMax" | "ArgMin" => self.arg_max(node),
            "ZipMap" => self.zip_map(node),
            "ArrayFeatureExtractor" => self.class_names(node),
            "LpNormalization" | "Normalizer" => self.normalizer(node),
            "LinearClassifier" | "LinearRegressor" => self.linear_model(node),
            "Scaler" => self.scaler(node),
            _ => self.activation(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_stand_once_and_in_order() {
        assert!(OPERATORS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn every_operator_of_onnx_has_its_line() {
        let names = include_str!("../../tests/onnx/schemas.txt").lines();
        let missing: Vec<&str> =
            names.filter(|name| !OPERATORS.iter().any(|(known, _)| known == name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn refusals_name_a_reason_and_what_to_do() {
        for (name, support) in OPERATORS {
            if let Refused(reason, advice) = support {
                assert!(!reason.is_empty() && !advice.is_empty(), "{name}");
            }
        }
    }
}
