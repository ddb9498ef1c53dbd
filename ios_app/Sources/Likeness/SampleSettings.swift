/// How to paint. ``Studio/sampleSettings(prompt:)`` gives what the bundle recommends.
public struct SampleSettings: Sendable, Equatable {
    public var prompt: String
    public var negativePrompt: String
    /// `dpmsolver++` or `ddim`.
    public var sampler: String
    /// Picture i depends on the seed and on i alone.
    public var seed: UInt64
    /// Of the sampler, each a call of the model, or two with guidance.
    public var steps: Int
    /// Pictures.
    public var count: Int
    /// Classifier-free guidance; 1: off, half the work.
    public var guidanceScale: Double

    public init(
        prompt: String, negativePrompt: String, sampler: String, seed: UInt64, steps: Int, count: Int,
        guidanceScale: Double
    ) {
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.sampler = sampler
        self.seed = seed
        self.steps = steps
        self.count = count
        self.guidanceScale = guidanceScale
    }
}
