import Foundation
import Likeness
import Testing

@testable import App

/// Everything below the views, as the app has it, over a folder and a studio; one process of the app.
@MainActor
final class World {
    let folder: AppFolder
    let fake: FakeStudio
    let volume = FakeVolume()
    let phone = FakeConditions()
    let time = FakeBackgroundTime()
    let library = FakePhotoLibrary()
    let backups = FakeBackups()
    /// Whether hashes were to be checked, for each time the model was opened.
    let opened = Locked<[Bool]>([])
    /// Thrown by the next opening of the model.
    let openFailure = Locked<(any Error)?>(nil)
    let graph: AppGraph

    /// - Parameter studio: instead of `fake`
    init(
        _ folder: AppFolder = AppFolder(), _ fake: FakeStudio = FakeStudio(),
        pacing: Pacing = Pacing(work: .milliseconds(5), rest: .milliseconds(5), longestHold: .seconds(60)),
        studio: (any Studio)? = nil
    ) {
        self.folder = folder
        self.fake = fake
        let platform = Platform(
            volume: volume, conditions: phone, backgroundTime: time, photoLibrary: library, backups: backups,
            freeMemoryBytes: { 1500 }, now: { 7 })
        let monitor = ConditionsMonitor(phone, every: .milliseconds(2), warning: .seconds(1))
        graph = AppGraph(
            platform, layout: StorageLayout(root: folder.root), model: folder.model, pacing: pacing, monitor: monitor
        ) { [opened, openFailure] _, verifyHashes in
            opened.withLock { $0.append(verifyHashes) }
            let failure = openFailure.withLock { next in
                defer { next = nil }
                return next
            }
            if let failure { throw failure }
            return studio ?? fake
        }
    }

    /// Steps slow enough that a test can act in the middle: three seconds, unless the fake is told to hurry.
    static func slow(
        _ folder: AppFolder = AppFolder(),
        pacing: Pacing = Pacing(work: .milliseconds(5), rest: .milliseconds(5), longestHold: .seconds(60))
    ) -> World {
        World(folder, FakeStudio(step: .milliseconds(3), trainSteps: 1000), pacing: pacing)
    }

    var worker: TrainingWorker { graph.worker }
    var subjects: SubjectStore { graph.subjects }
    var pictures: PictureStore { graph.pictures }
    var layout: StorageLayout { graph.layout }

    /// A subject with photos, not begun.
    func newSubject(_ name: String = "Minka", createdAt: Int = 1, photos: Int = 3) async throws -> Subject {
        await graph.ready()
        for number in 0..<photos { try graph.drafts.addPhoto(plainPicture(number, side: 32)) }
        let subject = Subject(
            id: ItemID(), name: name, className: "cat", tokens: ["<my-\(name.lowercased())>"], state: .learning,
            createdAt: createdAt)
        try await subjects.adopt(subject, try graph.drafts.prepared())
        return subject
    }

    /// A subject that can be painted.
    func readySubject(_ name: String = "Minka") async throws -> Subject {
        await graph.ready()
        let subject = Subject(
            id: ItemID(), name: name, className: "cat", tokens: ["<my-\(name.lowercased())>"], state: .ready,
            createdAt: 1)
        let prepared = layout.incoming.appending(path: subject.id.text)
        try graph.disk.write(
            SubjectFiles(folder: prepared).adapter, FakeAdapterFile.bytes(subject.tokens, subject.className))
        try await subjects.adopt(subject, prepared)
        return subject
    }

    /// Waits for a state of the worker that fits.
    @discardableResult
    func until(
        sourceLocation: SourceLocation = #_sourceLocation, _ fits: (TrainingState) -> Bool
    ) async throws -> TrainingState {
        try await wait(for: { worker.state }, sourceLocation: sourceLocation, where: fits)
    }

    @discardableResult
    func until(_ stage: Stage, sourceLocation: SourceLocation = #_sourceLocation) async throws -> TrainingState {
        try await until(sourceLocation: sourceLocation) { $0.stage == stage }
    }

    @discardableResult
    func untilStep(_ step: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws -> TrainingState {
        try await until(sourceLocation: sourceLocation) { $0.stage == .training && $0.step >= step }
    }

    /// The process ends without a word. What is on the disk at this instant is another folder's.
    func kill() throws -> AppFolder {
        let left = try folder.snapshot()
        fake.now.withLock { $0.isKilled = true }
        volume.room = 0
        return left
    }
}

/// A folder of the app's, and one with a model's manifest; they go with it.
final class AppFolder: Sendable {
    private let base: URL

    var root: URL { base.appending(path: "files") }
    var model: URL { base.appending(path: "model") }

    init() {
        base = FileManager.default.temporaryDirectory.appending(path: "likeness-app-\(ItemID().text)")
        for folder in [root, model] {
            try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        }
        try? Data("{1}".utf8).write(to: model.appending(path: "manifest.json"))
    }

    deinit {
        try? FileManager.default.removeItem(at: base)
    }

    /// All files, by their path in ``root``.
    var files: Set<String> { filesUnder(root) }

    /// What the disk holds at this instant.
    func snapshot() throws -> AppFolder {
        let copy = AppFolder()
        for path in files {
            let target = copy.root.appending(path: path)
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            // Files that are being written go while they are copied.
            try? FileManager.default.copyItem(at: root.appending(path: path), to: target)
        }
        return copy
    }
}

/// All files under a folder, by their path there.
func filesUnder(_ folder: URL) -> Set<String> {
    let paths = (try? FileManager.default.subpathsOfDirectory(atPath: folder.path)) ?? []
    return Set(
        paths.filter { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(
                atPath: folder.appending(path: path).path, isDirectory: &isFolder) && !isFolder.boolValue
        })
}

struct NeverCame: Error, CustomStringConvertible {
    let description: String
}

/// Waits until what `read` gives `fits`; where that takes half a minute it throws, saying the last.
@MainActor @discardableResult
func wait<Value>(
    for read: () -> Value, sourceLocation: SourceLocation = #_sourceLocation, where fits: (Value) -> Bool
) async throws -> Value {
    let clock = ContinuousClock()
    let end = clock.now + .seconds(30)
    while clock.now < end {
        let value = read()
        if fits(value) { return value }
        try await Task.sleep(for: .milliseconds(1))
    }
    let failure = NeverCame(description: "never came; the last was \(read())")
    Issue.record(failure, sourceLocation: sourceLocation)
    throw failure
}
