/// What ``Studio/generate(_:adapter:)`` tells on the way.
public enum GenerateEvent: Sendable, Equatable {
    case progress(Progress)
    /// The last event: all of them.
    case pictures([Picture])

    /// `done` of `total` calls of the model.
    public struct Progress: Sendable, Equatable {
        public var done: Int
        public var total: Int

        public init(done: Int, total: Int) {
            self.done = done
            self.total = total
        }
    }
}
