import Foundation

/// Photos in, adapter out: what an app sees of a session. ``Session`` is the real one; an app's tests may have their
/// own.
///
/// It belongs to one call at a time: while one is under way, every other but ``pause()``, ``unpause()`` and
/// ``cancel()`` throws ``LikenessError/busy(_:)``. After ``close()`` every call throws ``ClosedError``.
public protocol Personalization: AnyObject, Sendable {
    /// Adds a photo, of which the centre square is used.
    ///
    /// - Throws: ``LikenessError/badPhoto(_:)`` where a side is shorter than 32 pixels;
    ///   ``LikenessError/invalidArgument(_:)`` where the photos are encoded already
    func addPhoto(_ photo: Picture) async throws

    /// What the session will do and need; how far it is.
    var plan: Plan { get async throws }

    /// Encodes the photos, once, and trains; ends when the last step is done.
    ///
    /// Cold: reading it runs the session, on a thread of its own. A slow reader misses ``TrainEvent/progress(_:)`` in
    /// between, never a preview and never the last event. Cancelling the reading task cancels the session, which writes
    /// a checkpoint; the reader gets `CancellationError` only then. After any end the session may be run again and
    /// goes on where it was.
    ///
    /// Reading throws ``LikenessError/busy(_:)`` where the session is in use, ``LikenessError/cancelled(_:)`` after
    /// ``cancel()``, ``LikenessError/notFinite(_:)`` where training diverged and ``LikenessError/diskFull(_:)``; the
    /// last checkpoint is whole after each.
    func run() -> EventStream<TrainEvent>

    /// From any thread. Takes effect before the next step, after a checkpoint; it lasts until ``unpause()``.
    func pause() throws

    /// From any thread: goes on after ``pause()``.
    func unpause() throws

    /// From any thread, also while paused: ``run()`` writes a checkpoint and throws ``LikenessError/cancelled(_:)``.
    /// Where the session does not run, its next run ends so at once.
    func cancel() throws

    /// Writes what was learned so far as an adapter file, replaced as a whole.
    ///
    /// - Throws: ``LikenessError/invalidArgument(_:)`` where nothing is learned yet
    func saveAdapter(_ file: URL) async throws

    /// Frees the session and lets go of its journal, which stays. Closing twice does nothing; a session that nobody
    /// refers to any more and that does not run is closed too.
    ///
    /// - Throws: ``LikenessError/busy(_:)`` where it is in use, and it is not closed then: cancel it, or the task that
    ///   reads ``run()``, first
    func close() throws
}
