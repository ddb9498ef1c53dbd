/// What a bundle holds.
public struct EngineInfo: Sendable, Equatable {
    public let modelName: String
    /// Width and height of the pictures, in pixels.
    public let imageSize: Int
    /// What a session may train: `full`, `lora`.
    public let adapterKinds: [String]
    /// Those that the bundle has a prior of: subjects of these are learned best.
    public let classes: [String]
    /// How many subjects one adapter may know.
    public let maxModifierTokens: Int
    /// Everything the core says about the bundle, as a JSON object.
    public let json: String

    public init(
        modelName: String, imageSize: Int, adapterKinds: [String], classes: [String], maxModifierTokens: Int,
        json: String
    ) {
        self.modelName = modelName
        self.imageSize = imageSize
        self.adapterKinds = adapterKinds
        self.classes = classes
        self.maxModifierTokens = maxModifierTokens
        self.json = json
    }
}
