/// What ``Personalization/run()`` tells on the way.
public enum TrainEvent: Sendable, Equatable {
    case progress(Progress)
    case preview(Preview)

    /// What a session does at the moment.
    public enum Phase: Sendable, Equatable {
        /// Every view of the photos goes through the image encoder, once.
        case encoding
        /// Optimizer steps.
        case training
    }

    public struct Progress: Sendable, Equatable {
        public var phase: Phase
        /// Views encoded, or steps taken …
        public var step: Int
        /// … of so many.
        public var steps: Int
        /// Of this step; 0 while encoding.
        public var loss: Double
        /// Since this phase of this run began.
        public var secondsElapsed: Double
        /// Of this phase, estimated.
        public var secondsLeft: Double

        public init(
            phase: Phase, step: Int, steps: Int, loss: Double, secondsElapsed: Double, secondsLeft: Double
        ) {
            self.phase = phase
            self.step = step
            self.steps = steps
            self.loss = loss
            self.secondsElapsed = secondsElapsed
            self.secondsLeft = secondsLeft
        }
    }

    /// A picture painted with what was learned in `step` steps.
    public struct Preview: Sendable, Equatable {
        public var step: Int
        public var picture: Picture

        public init(step: Int, picture: Picture) {
            self.step = step
            self.picture = picture
        }
    }
}
