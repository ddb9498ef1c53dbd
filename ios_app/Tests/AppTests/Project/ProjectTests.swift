import Foundation
import Testing

@testable import App

/// What the app may do is what its property lists say, and nothing more.
struct ProjectTests {
    private let info: [String: Any]

    init() throws {
        info = try ProjectFiles.propertyList("Resources/Info.plist")
    }

    @Test func picturesAreAddedToPhotosAndNothingElseIsAskedFor() {
        let asked = info.keys.filter { $0.hasSuffix("UsageDescription") }
        #expect(asked == ["NSPhotoLibraryAddUsageDescription"])
    }

    @Test func theNetworkIsLeftAsItIsAndNotAskedFor() throws {
        #expect(info["NSAppTransportSecurity"] == nil)
        #expect(info["NSBonjourServices"] == nil)
        let entitlements = try ProjectFiles.propertyList("Resources/Likeness.entitlements")
        #expect(
            Set(entitlements.keys) == [
                "com.apple.developer.default-data-protection", "com.apple.developer.kernel.increased-memory-limit",
            ])
        #expect(entitlements["com.apple.developer.kernel.increased-memory-limit"] as? Bool == true)
        #expect(
            entitlements["com.apple.developer.default-data-protection"] as? String
                == "NSFileProtectionCompleteUntilFirstUserAuthentication")
    }

    @Test func backgroundTasksAreThoseOfTheSources() throws {
        let source = try #require(ProjectFiles.app.first { $0.name == "PhoneBackgroundTime" })
        let declared = source.matches(/static let \w+ = "(app\.likeness[\w.]*)"/)
        #expect(!declared.isEmpty)
        #expect(info["BGTaskSchedulerPermittedIdentifiers"] as? [String] == declared)
        #expect(info["UIBackgroundModes"] as? [String] == ["processing"])
        let project = try ProjectFiles.text("project.yml")
        let bundle = try #require(project.firstMatch(of: /PRODUCT_BUNDLE_IDENTIFIER: (\S+)/)?.output.1)
        // iOS takes no other name for a continued task.
        #expect(declared.allSatisfy { $0.hasPrefix(bundle + ".") })
    }

    @Test func thePrivacyManifestKnowsWhatTheSourcesCall() throws {
        let privacy = try ProjectFiles.propertyList("Resources/PrivacyInfo.xcprivacy")
        #expect(privacy["NSPrivacyTracking"] as? Bool == false)
        #expect((privacy["NSPrivacyCollectedDataTypes"] as? [Any])?.isEmpty == true)
        let declared = (privacy["NSPrivacyAccessedAPITypes"] as? [[String: Any]] ?? [])
            .compactMap { $0["NSPrivacyAccessedAPIType"] as? String }
        // The app itself calls those of the first; the core those of the second.
        #expect(
            Set(declared) == ["NSPrivacyAccessedAPICategoryDiskSpace", "NSPrivacyAccessedAPICategoryFileTimestamp"])
        let calls = /\b(systemFreeSize|UserDefaults|AppStorage|modificationDate|creationDate|systemUptime)\b/
            .wordBoundaryKind(.simple)
        #expect(Set(ProjectFiles.app.flatMap { $0.matches(calls) }) == ["systemFreeSize"])
    }

    @Test func theProjectNamesWhatIsThere() throws {
        let project = try ProjectFiles.text("project.yml")
        let paths = project.matches(
            of: /\b(?:path|INFOPLIST_FILE|CODE_SIGN_ENTITLEMENTS): ([\w.\/-]+)/.wordBoundaryKind(.simple)
        )
        .map { String($0.output.1) }
        let built = paths.filter { $0.contains("out/") }
        #expect(paths.count >= 7)
        for path in paths where !built.contains(path) {
            #expect(exists(ProjectFiles.folder.appending(path: path)), "\(path)")
        }
        let model = try #require(built.first).split(separator: "/").last.map(String.init)
        let start = try #require(ProjectFiles.app.first { $0.name == "LikenessApp" })
        #expect(start.matches(/bundleURL\.appending\(path: "([^"]+)"/) == [model])
        let leftOut = project.matches(of: /excludes: \[(.*)\]/).flatMap { $0.output.1.split(separator: ", ") }
        #expect(leftOut == ["Info.plist", "Likeness.entitlements", "RealRuntimeTests.swift"])
        for file in leftOut {
            let folders = ["Resources", "Tests/AppTests"].map { ProjectFiles.folder.appending(path: "\($0)/\(file)") }
            #expect(folders.contains(where: exists), "\(file)")
        }
    }
}
