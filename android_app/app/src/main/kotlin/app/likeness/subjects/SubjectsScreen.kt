package app.likeness.subjects

import android.app.AlertDialog
import android.view.ViewGroup
import android.widget.ListView
import android.widget.ProgressBar
import android.widget.TextView
import app.likeness.R
import app.likeness.bundle.ModelState
import app.likeness.navigation.Host
import app.likeness.navigation.Route
import app.likeness.navigation.Screen
import app.likeness.platform.Pickers
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.views.PictureLoader
import app.likeness.views.show
import app.likeness.views.showText
import app.likeness.views.text
import kotlinx.coroutines.launch

/** The list of subjects, how far the model is, and the ways in: teaching and importing. */
class SubjectsScreen(host: Host, parent: ViewGroup, private val model: SubjectsViewModel) :
    Screen(host, R.layout.screen_subjects, parent) {
    override val title = string(R.string.subjects_title)
    private val loader =
        PictureLoader(host.scope, host.io, host.activity.resources.displayMetrics.densityDpi * 64 / 160)
    private val rows = SubjectRows(host.activity, loader, model::previewFile, ::showMenu)

    init {
        find<ListView>(R.id.subjects).apply {
            adapter = rows
            emptyView = find(R.id.empty)
            setOnItemClickListener { _, _, position, _ -> open(rows.getItem(position)) }
        }
        onClick(R.id.teach) { host.go(Route.Teach) }
        onClick(R.id.import_adapter) { ask(Pickers.adapter(), IMPORT) }
        onClick(R.id.model_again, model::openModel)
        onClick(R.id.problem, model::dismissMessage)
        onClick(R.id.notice, model::dismissMessage)
        host.scope.launch { model.state.collect(::render) }
    }

    override fun onChosen(request: Int, documents: List<String>) {
        val document = documents.firstOrNull() ?: return
        if (request == IMPORT) model.import(document) else model.exportTo(document)
    }

    private fun render(state: SubjectsUiState) {
        rows.show(state.subjects, state.training)
        find<TextView>(R.id.problem).showText(state.problem?.let(host.activity::text))
        find<TextView>(R.id.notice).showText(noticeOf(state))
        renderModel(state.model)
    }

    private fun noticeOf(state: SubjectsUiState): String? = when {
        state.importing -> string(R.string.subjects_importing)
        state.notice == SubjectsNotice.IMPORTED -> string(R.string.subjects_imported)
        state.notice == SubjectsNotice.EXPORTED -> string(R.string.subjects_exported)
        else -> null
    }

    private fun renderModel(state: ModelState) {
        val percent = (state as? ModelState.Copying)?.let { (100 * it.done / it.total.coerceAtLeast(1)).toInt() }
        val text = when (state) {
            is ModelState.Copying -> string(R.string.model_copying, percent ?: 0)
            ModelState.Opening -> string(R.string.model_opening)
            is ModelState.Failed -> host.activity.text(state.problem)
            ModelState.Closed, ModelState.Ready -> null
        }
        find<TextView>(R.id.model_text).showText(text)
        find<ProgressBar>(R.id.model_progress).apply {
            show(state is ModelState.Copying || state is ModelState.Opening)
            isIndeterminate = percent == null
            progress = 10 * (percent ?: 0)
        }
        find<TextView>(R.id.model_again).show(state is ModelState.Failed)
    }

    private fun open(subject: Subject) = when (subject.state) {
        SubjectState.READY -> host.go(Route.Paint(subject.id))
        SubjectState.LEARNING -> host.go(Route.Training(subject.id))
        SubjectState.DAMAGED -> confirmDelete(subject)
    }

    private fun showMenu(subject: Subject) {
        val actions = actionsOf(subject)
        val labels = actions.map { string(it.first) }.toTypedArray()
        AlertDialog.Builder(host.activity)
            .setTitle(subject.name)
            .setItems(labels) { _, chosen -> actions[chosen].second() }
            .show()
    }

    private fun actionsOf(subject: Subject): List<Pair<Int, () -> Unit>> {
        val delete = R.string.delete to { confirmDelete(subject) }
        return when (subject.state) {
            SubjectState.READY ->
                listOf(
                    R.string.subject_paint to {
                        open(subject)
                    },
                    R.string.subject_export to { export(subject) },
                    delete,
                )

            SubjectState.LEARNING -> listOf(R.string.subject_progress to { open(subject) }, delete)

            SubjectState.DAMAGED -> listOf(delete)
        }
    }

    private fun export(subject: Subject) {
        model.chooseForExport(subject.id)
        ask(Pickers.newFile(model.fileName(subject), "application/octet-stream"), EXPORT)
    }

    private fun confirmDelete(subject: Subject) {
        val name = subject.name.ifEmpty { string(R.string.subject_damaged_name) }
        confirm(
            string(R.string.subject_delete_title, name),
            string(R.string.subject_delete_text),
            string(R.string.delete),
        ) {
            model.delete(subject.id)
        }
    }

    private companion object {
        const val IMPORT = 1
        const val EXPORT = 2
    }
}
