package app.likeness.platform

import android.content.Intent
import android.os.Build

/** Intents that let a person choose what the app may read or write; none needs a permission. */
object Pickers {
    /** `MediaStore.ACTION_PICK_IMAGES` and `EXTRA_PICK_IMAGES_MAX`, level 33. */
    private const val ACTION_PICK_IMAGES = "android.provider.action.PICK_IMAGES"
    private const val EXTRA_PICK_IMAGES_MAX = "android.provider.extra.PICK_IMAGES_MAX"

    /** The system's photo picker; before Android 13 its document picker, which does not know of [most]. */
    fun photos(most: Int): Intent {
        if (Build.VERSION.SDK_INT < NewerApis.TIRAMISU) {
            return open("image/*").putExtra(Intent.EXTRA_ALLOW_MULTIPLE, true)
        }
        val intent = Intent(ACTION_PICK_IMAGES).setType("image/*")
        return if (most > 1) intent.putExtra(EXTRA_PICK_IMAGES_MAX, most) else intent
    }

    fun adapter(): Intent = open("*/*")

    fun newFile(name: String, type: String): Intent = Intent(Intent.ACTION_CREATE_DOCUMENT)
        .addCategory(Intent.CATEGORY_OPENABLE).setType(type).putExtra(Intent.EXTRA_TITLE, name)

    /** What was chosen: content URIs. */
    fun chosen(result: Intent?): List<String> {
        val clip = result?.clipData
        val several = (0 until (clip?.itemCount ?: 0)).mapNotNull { clip?.getItemAt(it)?.uri }
        return several.ifEmpty { listOfNotNull(result?.data) }.map { it.toString() }
    }

    private fun open(type: String) =
        Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(type)
}
