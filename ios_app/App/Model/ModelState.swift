/// How far the model is.
enum ModelState: Sendable, Equatable {
    case closed
    /// The core checks and opens it: seconds.
    case opening
    case ready
    case failed(Problem)
}
