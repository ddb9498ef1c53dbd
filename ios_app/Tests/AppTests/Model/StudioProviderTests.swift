import Foundation
import Likeness
import Testing

@testable import App

@MainActor
struct StudioProviderTests {
    private let world = World()
    private var studios: StudioProvider { world.graph.studios }

    @Test func theModelIsCheckedAndOpenedOnce() async throws {
        #expect(studios.state == .closed)
        let studios = studios
        let asked = (0..<5).map { _ in Task { try await studios.get() } }
        for task in asked { #expect(try await task.value === world.fake) }
        #expect(world.opened.withLock { $0 } == [true])
        #expect(studios.state == .ready)
    }

    @Test func theNextProcessTrustsWhatWasChecked() async throws {
        _ = try await studios.get()
        let next = World(world.folder)
        _ = try await next.graph.studios.get()
        #expect(next.opened.withLock { $0 } == [false])
    }

    @Test func anotherVersionIsCheckedAgain() async throws {
        _ = try await studios.get()
        try Data("{2}".utf8).write(to: world.folder.model.appending(path: "manifest.json"))
        let next = World(world.folder)
        _ = try await next.graph.studios.get()
        #expect(next.opened.withLock { $0 } == [true])
    }

    @Test func anAppWithoutAModelSaysSo() async throws {
        try FileManager.default.removeItem(at: world.folder.model.appending(path: "manifest.json"))
        await #expect(throws: StorageError.failed("This app was built without a model; install it again.")) {
            try await studios.get()
        }
        #expect(world.opened.withLock { $0 } == [])
    }

    @Test func aFailureIsShownAndCanBeTriedAgain() async throws {
        world.openFailure.withLock { $0 = LikenessError.corruptFile("damaged") }
        await #expect(throws: LikenessError.corruptFile("damaged")) { try await studios.get() }
        #expect(studios.state == .failed(Problem(.damagedFile, "damaged")))
        #expect(try await studios.get() === world.fake)
        // What was refused is not taken for checked.
        #expect(world.opened.withLock { $0 } == [true, true])
    }

    @Test func aModelThatIsOpenAfterItsCallerLeftIsKept() async throws {
        let studios = studios
        let caller = Task { try await studios.get() }
        caller.cancel()
        _ = await caller.result
        #expect(try await studios.get() === world.fake)
        #expect(world.opened.withLock { $0 }.count == 1)
    }

    @Test func trimmingReachesAnOpenModelOnly() async throws {
        await world.graph.memoryWarning()
        #expect(world.fake.trims == 0)
        _ = try await studios.get()
        await world.graph.memoryWarning()
        #expect(world.fake.trims == 1)
    }
}
