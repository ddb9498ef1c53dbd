#if canImport(SwiftUI)
import SwiftUI

/// Backups, what model it is, and deleting everything.
struct SettingsView: View {
    let model: SettingsViewModel

    @State private var isDeleting = false

    var body: some View {
        let state = model.state
        Form {
            if let problem = state.problem { ProblemBanner(problem: problem, dismiss: model.dismissProblem) }
            Section {
                Toggle(Words.keepOutOfBackups, isOn: keepOutOfBackups)
            } footer: {
                Text(Words.keepOutOfBackupsDetail)
            }
            Section(Words.model) {
                LabeledContent(Words.modelName, value: state.modelName ?? "–")
                LabeledContent(Words.pictureSize, value: state.imageSize.map { "\($0) × \($0)" } ?? "–")
            }
            Section {
                Button(Words.deleteEverything, role: .destructive) { isDeleting = true }
                    .disabled(state.deleting)
            } footer: {
                Text(Words.known(subjects: state.subjects, pictures: state.pictures))
            }
        }
        .navigationTitle(Words.settingsTitle)
        .task { await model.load() }
        .confirmationDialog(Words.deleteEverythingTitle, isPresented: $isDeleting, titleVisibility: .visible) {
            Button(Words.deleteEverything, role: .destructive) { Task { await model.deleteEverything() } }
        } message: {
            Text(Words.deleteEverythingDetail)
        }
    }

    private var keepOutOfBackups: Binding<Bool> {
        Binding(
            showing: { model.state.settings.keepOutOfBackups },
            telling: { keep in Task { await model.setKeepOutOfBackups(keep) } })
    }
}
#endif
