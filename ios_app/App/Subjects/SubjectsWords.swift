#if canImport(SwiftUI)
import Foundation

/// What the gallery of subjects says.
extension Words {
    static var subjectsTitle: String { String(localized: "subjects.title") }
    static var subjectsEmpty: String { String(localized: "subjects.empty") }
    static var subjectsEmptyDetail: String { String(localized: "subjects.empty.detail") }
    static var importAdapter: String { String(localized: "subjects.import") }
    static var importing: String { String(localized: "subjects.importing") }
    static var imported: String { String(localized: "subjects.imported") }
    static func ready(_ words: String) -> String { String(localized: "subject.ready \(words)") }
    static var notLearnedYet: String { String(localized: "subject.learning") }
    static func learningNow(percent: Int) -> String { String(localized: "subject.learning_now \(percent)") }
    static var damagedName: String { String(localized: "subject.damaged.name") }
    static var damaged: String { String(localized: "subject.damaged") }
    static func more(_ name: String) -> String { String(localized: "subject.more \(name)") }
    static var showProgress: String { String(localized: "subject.progress") }
    static var exportAdapter: String { String(localized: "subject.export") }
    static func deleteSubject(_ name: String) -> String { String(localized: "subject.delete.title \(name)") }
    static var deleteSubjectDetail: String { String(localized: "subject.delete.detail") }

}
#endif
