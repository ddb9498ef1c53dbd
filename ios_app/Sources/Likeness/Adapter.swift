/// A subject, as a session saved it. Immutable: any number of tasks may use one.
public protocol Adapter: AnyObject, Sendable {
    /// What the file says of itself; readable after ``close()`` too.
    var info: AdapterInfo { get }

    /// As ``Studio/close()``: never waits, and pictures that are being painted with it are finished.
    func close()
}

/// What an adapter file says of itself.
public struct AdapterInfo: Sendable, Equatable {
    /// One of ``EngineInfo/adapterKinds``.
    public let kind: String
    /// The words for its subjects; one, unless adapters were merged.
    public let tokens: [String]
    /// What its photos showed.
    public let className: String
    /// Everything the core says about the adapter, as a JSON object.
    public let json: String

    public init(kind: String, tokens: [String], className: String, json: String) {
        self.kind = kind
        self.tokens = tokens
        self.className = className
        self.json = json
    }
}
