import Foundation

/// What an app sees of an open bundle. ``Engine`` is the real one; an app's tests may have their own.
///
/// Any number of tasks may use a studio at the same time. What reads or writes files or runs the model is `async`, and
/// works on threads outside Swift's pool, so that nothing else waits for it.
///
/// After ``close()`` every other call throws ``ClosedError``.
public protocol Studio: AnyObject, Sendable {
    /// What the bundle holds; readable after ``close()`` too.
    var info: EngineInfo { get }

    /// The bundle's recommended settings for learning a subject.
    ///
    /// - Parameters:
    ///   - className: what the photos show, in a word: dog, mug
    ///   - token: a new word for the subject: `<my-dog>`
    func trainSettings(className: String, token: String) throws -> TrainSettings

    /// The bundle's recommended settings for painting `prompt`.
    func sampleSettings(prompt: String) throws -> SampleSettings

    /// A new session.
    ///
    /// - Parameter journal: the folder that keeps the session's checkpoints, made where it is missing; nil: nothing
    ///   survives the process
    /// - Throws: ``LikenessError/invalidArgument(_:)`` for settings that cannot be, and where the folder holds a
    ///   session already: resume that one or remove it; ``LikenessError/busy(_:)`` where another session is using the
    ///   folder
    func createSession(_ settings: TrainSettings, journal: URL?) async throws -> any Personalization

    /// An interrupted session, from its last checkpoint, with the settings it was created with.
    ///
    /// - Throws: ``LikenessError/invalidArgument(_:)`` where there is none, or where it was interrupted before its
    ///   photos were encoded: create it again; ``LikenessError/wrongModel(_:)`` where it was begun on another model;
    ///   ``LikenessError/busy(_:)`` where another session is using the folder
    func resumeSession(journal: URL) async throws -> any Personalization

    /// What a session saved.
    ///
    /// - Throws: ``LikenessError/wrongModel(_:)`` where it was trained on another base model
    func loadAdapter(_ file: URL) async throws -> any Adapter

    /// Makes one adapter file of several adapters, for prompts that name several subjects. Seconds.
    ///
    /// - Parameters:
    ///   - adapters: two or more, none merged already, no token twice
    ///   - file: replaced as a whole
    func mergeAdapters(_ adapters: [any Adapter], into file: URL) async throws

    /// Paints pictures: ``GenerateEvent/progress(_:)`` again and again, then one ``GenerateEvent/pictures(_:)``.
    ///
    /// Cold: every iteration paints. A slow reader misses progress, never the pictures. Cancelling the reading task
    /// stops the work before the next call of the model. Reading throws ``LikenessError``.
    ///
    /// - Parameter adapter: nil: the model as it is. It may be closed while it is painting
    func generate(_ settings: SampleSettings, adapter: (any Adapter)?) -> EventStream<GenerateEvent>

    /// Unloads programs that are kept for the next call: after a warning that memory is short.
    func trim() throws

    /// Never waits: calls that are under way end as they would have, and the last one frees the memory. Sessions and
    /// adapters live on. Closing twice does nothing; a studio that nobody refers to any more is closed too.
    func close()
}

extension Studio {
    /// ``generate(_:adapter:)`` with the model as it is.
    public func generate(_ settings: SampleSettings) -> EventStream<GenerateEvent> {
        generate(settings, adapter: nil)
    }
}
