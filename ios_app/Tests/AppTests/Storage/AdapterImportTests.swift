import Foundation
import Likeness
import Testing

@testable import App

@MainActor
struct AdapterImportTests {
    private let world = World()
    private let outside = AppFolder()

    private func take(_ bytes: Data, _ name: String = "rex.safetensors", mostBytes: Int? = nil) async throws -> Subject
    {
        let file = outside.root.appending(path: name)
        try bytes.write(to: file)
        return try await take(file, mostBytes: mostBytes)
    }

    private func take(_ file: URL, mostBytes: Int? = nil) async throws -> Subject {
        await world.graph.ready()
        let graph = world.graph
        let adapters = AdapterImport(
            layout: graph.layout, disk: graph.disk, trash: graph.trash, subjects: graph.subjects,
            mostBytes: mostBytes ?? AdapterImport.mostBytes, now: graph.now)
        return try await adapters.take(OutsideFile(url: file), world.fake)
    }

    /// The error with which `work` ends, after which nothing is left of the file.
    private func refused(_ work: () async throws -> Subject) async -> (any Error)? {
        do {
            _ = try await work()
            return nil
        } catch {
            #expect(world.folder.files == [])
            #expect(world.fake.openAdapters == 0)
            return error
        }
    }

    private func isNotAnAdapter(_ error: (any Error)?) -> Bool {
        if case ImportError.notAnAdapter? = error { true } else { false }
    }

    @Test func aWholeFileBecomesASubject() async throws {
        let subject = try await take(FakeAdapterFile.bytes(["<rex>"], "dog"))
        let expected = Subject(
            id: subject.id, name: "rex", className: "dog", tokens: ["<rex>"], state: .ready, createdAt: 7)
        #expect(subject == expected)
        let next = World(world.folder)
        await next.graph.ready()
        #expect(next.subjects.subjects == [expected])
        #expect(world.fake.openAdapters == 0)
    }

    @Test func namesFromOutsideAreCleaned() async throws {
        let bytes = FakeAdapterFile.bytes(["<rex>"], "dog\u{202E}\n")
        let subject = try await take(bytes, "..\u{1}evil\u{202E}" + String(repeating: "x", count: 200))
        #expect(subject.name.hasPrefix(".. evil x"))
        #expect(subject.name.count == Names.mostName)
        #expect(subject.className == "dog")
        #expect(world.folder.files.allSatisfy { $0.hasPrefix("subjects/\(subject.id.text)/") })
    }

    @Test func filesThatAreNoAdaptersAreRefusedBeforeTheCoreSeesThem() async throws {
        world.fake.failNext(.loadAdapter, .corruptFile("the core was asked"))
        func file(_ headerLength: UInt64, _ header: String) -> Data {
            withUnsafeBytes(of: headerLength.littleEndian) { Data($0) } + Data(header.utf8)
        }
        let files = [
            Data(), Data(count: 8), Data("hello".utf8), file(.max >> 1, "{}"), file(.max, "{}"), file(2, "[]"),
            file(9, "{}"), file(1, "{}"),
        ]
        for bytes in files {
            #expect(isNotAnAdapter(await refused { try await take(bytes) }), "\(bytes as NSData)")
        }
    }

    @Test func theCoreHasTheLastWord() async throws {
        let wrong = LikenessError.wrongModel("of another model")
        world.fake.failNext(.loadAdapter, wrong)
        let error = await refused { try await take(FakeAdapterFile.bytes(["<rex>"], "dog")) }
        #expect(error as? LikenessError == wrong)
    }

    @Test func filesThatAreTooLargeAreCutOff() async throws {
        #expect(isNotAnAdapter(await refused { try await take(Data(count: 1_000_001), mostBytes: 1_000_000) }))
    }

    /// They have no end, or none comes.
    @Test func devicesPipesFoldersAndMissingFilesAreRefused() async throws {
        let pipe = outside.root.appending(path: "pipe")
        #expect(mkfifo(pipe.path, 0o600) == 0)
        let link = outside.root.appending(path: "link")
        try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "/dev/zero")
        for file in [URL(fileURLWithPath: "/dev/zero"), pipe, link, outside.root, outside.root.appending(path: "none")]
        {
            let error = await refused { try await take(file) }
            #expect(error as? StorageError == .failed("The file cannot be opened; choose it again."), "\(file.path)")
        }
    }

    @Test func aFullStorageTakesNothingIn() async throws {
        world.volume.room = 1_000_000
        let error = await refused { try await take(FakeAdapterFile.bytes(["<rex>"], "dog")) }
        if case StorageError.full? = error {} else { Issue.record("not full: \(String(describing: error))") }
    }

    @Test func wordsThatCannotBeInAPromptAreRefused() async throws {
        for token in ["", "a b", "<a\u{202E}>", String(repeating: "x", count: 65), "a\n"] {
            let error = await refused { try await take(FakeAdapterFile.bytes([token], "dog")) }
            #expect(isNotAnAdapter(error), "\(token)")
        }
    }

    @Test func wordsThatAreTakenAreRefused() async throws {
        let first = try await take(FakeAdapterFile.bytes(["<rex>"], "dog"))
        await #expect(throws: ImportError.wordsTaken(["<REX>"])) {
            try await take(FakeAdapterFile.bytes(["<REX>"], "cat"))
        }
        #expect(world.subjects.subjects == [first])
    }

    @Test func whatAKillLeftOnItsWayInGoes() async throws {
        await world.graph.ready()
        let half = world.layout.incoming.appending(path: "0123/adapter.safetensors")
        try world.graph.disk.write(half, Data("half".utf8))
        let next = World(world.folder)
        await next.graph.ready()
        #expect(next.subjects.subjects == [])
        #expect(world.folder.files == [])
    }
}
