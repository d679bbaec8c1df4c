//! What many passes of a classifier say about each example.

/// The result of Monte-Carlo passes through a classifier: one softmax per pass and example, over the last
/// dimension of the logits `[batch, classes]`. Logarithms are natural.
///
/// `entropy` is all there is of uncertainty; `mutual_information` the part of it that is the model's, which
/// more data would remove (the passes disagree); the rest is that of the data.
///
/// Everything said of an example is NaN where, in any pass, one of its logits is NaN or +infinity, or all are
/// -infinity: nothing is known then, least of all that the answer is certain. A logit of -infinity beside finite ones
/// is a class with probability 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictive<T> {
    /// The mean softmax, `[batch, classes]`.
    pub mean: Vec<T>,
    /// The entropy of the mean softmax, `-sum of mean * ln mean`: `[batch]`, between 0 and ln classes.
    pub entropy: Vec<T>,
    /// Mutual information between the class and the mask: that entropy less the mean of the passes'
    /// entropies. `[batch]`, never below 0.
    pub mutual_information: Vec<T>,
}
