package app.likeness.paint

import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.CheckBox
import android.widget.EditText
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.SeekBar
import android.widget.TextView
import app.likeness.R
import app.likeness.navigation.Host
import app.likeness.navigation.Route
import app.likeness.navigation.Screen
import app.likeness.storage.KeptPicture
import app.likeness.storage.Subject
import app.likeness.views.PictureLoader
import app.likeness.views.follow
import app.likeness.views.onChange
import app.likeness.views.onMove
import app.likeness.views.show
import app.likeness.views.showText
import app.likeness.views.text
import kotlinx.coroutines.launch
import java.io.File

/** A sentence, subjects to put into it, what was painted, and below what only some people turn. */
class PaintScreen(
    host: Host,
    parent: ViewGroup,
    private val model: PaintViewModel,
    private val pictureFile: (id: String) -> File,
) : Screen(host, R.layout.screen_paint, parent) {
    override val title = string(R.string.paint_title)
    private val loader = PictureLoader(host.scope, host.io, PAINTED_SIDE)
    private var shownSubjects = emptyList<Subject>()
    private var shownPainted = emptyList<KeptPicture>()

    init {
        onClick(R.id.paint, model::paint)
        onClick(R.id.cancel, model::cancel)
        onClick(R.id.problem, model::dismissProblem)
        host.scope.launch { model.state.collect(::render) }
        prepareTexts()
        prepareSliders()
        find<CheckBox>(R.id.new_seed).setOnCheckedChangeListener { _, checked -> model.setNewSeedEachTime(checked) }
    }

    private fun prepareTexts() {
        onText(R.id.prompt, { it.prompt }, model::setPrompt)
        onText(R.id.negative, { it.negativePrompt }, model::setNegativePrompt)
        onText(R.id.seed, { it.seed.toString() }, model::setSeed)
    }

    private fun onText(id: Int, shown: (PaintSettings) -> String, typed: (String) -> Unit) =
        find<EditText>(id).onChange { if (it != shown(model.state.value.settings)) typed(it) }

    private fun prepareSliders() {
        slider(R.id.steps, PaintUiState.STEPS.last - PaintUiState.STEPS.first) {
            model.setSteps(PaintUiState.STEPS.first + it)
        }
        slider(R.id.count, PaintUiState.COUNTS.last - PaintUiState.COUNTS.first) {
            model.setCount(PaintUiState.COUNTS.first + it)
        }
        slider(R.id.guidance, halves(PaintUiState.MOST_GUIDANCE)) {
            model.setGuidance(PaintUiState.LEAST_GUIDANCE + it / 2.0)
        }
    }

    private fun slider(id: Int, most: Int, moved: (Int) -> Unit) = find<SeekBar>(id).run {
        max = most
        onMove(moved)
    }

    private fun render(state: PaintUiState) {
        find<TextView>(R.id.problem).showText(state.problem?.let(host.activity::text))
        find<TextView>(R.id.used).showText(usedText(state))
        find<View>(R.id.paint).isEnabled = state.canPaint
        renderSettings(state)
        renderProgress(state.progress)
        renderSubjects(state.subjects)
        renderPainted(state.painted)
    }

    private fun renderSettings(state: PaintUiState) {
        val settings = state.settings
        find<EditText>(R.id.prompt).follow(settings.prompt)
        find<EditText>(R.id.negative).follow(settings.negativePrompt)
        find<EditText>(R.id.seed).follow(settings.seed.toString())
        find<CheckBox>(R.id.new_seed).isChecked = state.newSeedEachTime
        find<TextView>(R.id.steps_label).showText(string(R.string.paint_steps, settings.steps))
        find<TextView>(R.id.count_label).showText(string(R.string.paint_count, settings.count))
        find<TextView>(R.id.guidance_label).showText(string(R.string.paint_guidance, settings.guidance))
        find<SeekBar>(R.id.steps).progress = settings.steps - PaintUiState.STEPS.first
        find<SeekBar>(R.id.count).progress = settings.count - PaintUiState.COUNTS.first
        find<SeekBar>(R.id.guidance).progress = halves(settings.guidance)
    }

    private fun renderProgress(progress: PaintProgress?) {
        find<View>(R.id.painting).show(progress != null)
        if (progress == null) return
        val permille = if (progress.total > 0) (1000 * progress.done / progress.total).toInt() else 0
        find<ProgressBar>(R.id.progress).apply {
            isIndeterminate = progress.total == 0L
            this.progress = permille
        }
        val text = if (progress.total == 0L) string(R.string.paint_preparing) else percentText(permille)
        find<TextView>(R.id.progress_text).showText(text)
    }

    /** In tens: a screen reader says each that it is shown. */
    private fun percentText(permille: Int) = string(R.string.paint_progress, permille / 100 * 10)

    private fun usedText(state: PaintUiState): String? = when {
        state.settings.prompt.isBlank() -> null
        state.tooManySubjects -> plural(R.plurals.paint_too_many, state.mostSubjects)
        state.used.isEmpty() -> string(R.string.paint_used_none)
        else -> string(R.string.paint_used, state.used.joinToString(", ") { it.name })
    }

    private fun renderSubjects(subjects: List<Subject>) {
        if (subjects == shownSubjects) return
        shownSubjects = subjects
        val group = find<ViewGroup>(R.id.subjects)
        group.removeAllViews()
        subjects.forEach { subject ->
            val button = Button(host.activity, null, 0, R.style.Action)
            button.text = string(R.string.paint_insert, subject.name)
            button.setOnClickListener { insert(subject) }
            group.addView(button)
        }
    }

    private fun insert(subject: Subject) {
        val prompt = find<EditText>(R.id.prompt)
        val end = model.insert(subject, prompt.selectionEnd.takeIf { it >= 0 } ?: prompt.text.length)
        prompt.follow(model.state.value.settings.prompt)
        prompt.requestFocus()
        prompt.setSelection(end.coerceAtMost(prompt.text.length))
    }

    private fun renderPainted(painted: List<KeptPicture>) {
        if (painted == shownPainted) return
        shownPainted = painted
        val group = find<ViewGroup>(R.id.painted)
        group.removeAllViews()
        painted.forEach { group.addView(imageOf(it)) }
    }

    private fun imageOf(picture: KeptPicture) = ImageView(host.activity).apply {
        adjustViewBounds = true
        minimumHeight = resources.displayMetrics.densityDpi
        contentDescription = string(R.string.paint_result_description, picture.index + 1, picture.prompt)
        setOnClickListener { host.go(Route.PictureDetail(picture.id)) }
        loader.show(pictureFile(picture.id), this)
        layoutParams = ViewGroup.LayoutParams(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT)
    }

    private fun halves(guidance: Double) = (2 * (guidance - PaintUiState.LEAST_GUIDANCE)).toInt()

    private companion object {
        const val PAINTED_SIDE = 1024
    }
}
